"""What each kind of resource requires and provides, as data; and what well-known charts bring.

The table of kinds lies in the YAML files of this package, one a family (`table.FAMILIES`), the charts in `charts.yaml`. A kind is a row:

    - kind: a.example.com/Thing         `group/Kind`, for the core group just `Kind`; a list for rows that several kinds share; `group/*` for a whole group
      scope: namespaced                 or cluster
      plural: things                    where apimachinery would guess wrong
      healing: slow                     prompt (default), slow, never: how it recovers once a thing that it needs is there after all
      slow-if: spec.backoffLimit        slow only where this field is set
      soft: true                        nothing waits for objects of this kind
      misread: true                     kstatus takes it for ready too early; `healthy` is the CEL that mends it
      ready: {condition: Ready}         the same for the cluster's own status: see `rows.Readiness`
      webhook: true                     its operator also admits it: the definition alone is not enough
      given: true                       comes with the distribution of the cluster
      finalizer: example.com/cleanup    what its operator takes off before one of it is gone; `finalizer-if: spec.deletionPolicy=Delete` where only some have it
      outputs: [token]                  of a generator: the keys that it makes
      needs:
        - at: spec.auth.secretRef.name  where the name stands; `[]` each item, `*` each value, `["a.b/c"]` an odd key; a list of paths is fine
          to: Secret                    the kind that is named
      types: {list: [spec.dependsOn]}   what fields hold that are read and are no references: text, mapping, list, boolean
      makes:
        - kind: Service                 what its controller makes of it
          name: "{name}-api"            a template; or `at`, where the name stands, with `default`
      use: {pod-spec: spec.template.spec}   references that many kinds share, from `shapes`, below this path
      extract: external-secret          a function of `extractors`, for what no path can express
      makes-unlisted: true              it makes things under names that can't be told; or the list of their kinds

A need may also have: `reason`, `effect` (apply, ready, rotate), `healing`, `soft`, `optional`; beside the name `kind-field`, `group-field`,
`api-version-field`, `namespace-field`, `key-field` (default `key`), `items-field` (default `items`), `optional-field` (default `optional`); `kinds`, the
only ones that count; a fixed `key`, or `namespace`, perhaps that of a chart (`namespace-of-chart`); `without-namespace` (skip, referent, unchecked), what
a cluster-scoped kind means that leaves it out; `foreign-namespace: refused`; `qualified` names, `namespace/name`; `labels`, where the path leads to labels
that select; `when` and `unless`, fields that must or must not be set, of the manifest or, with a leading dot, beside the name. A product may have `keys`,
`keys-if`, `keys-of` (paths of mappings), `key-field`, `namespace`, `namespace-field`, `when`, `unless`, `note`.

Users add rows of the same form under `kinds` in the configuration. Which unit applies what, and what meets a requirement, is left to `graph`.
"""
