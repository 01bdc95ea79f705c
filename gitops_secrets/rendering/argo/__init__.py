"""Argo CD: Applications and ApplicationSets, from where clusters start to every object that they make them apply."""
