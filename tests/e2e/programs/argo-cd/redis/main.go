// Command redis answers as Redis does, on the address given: Argo CD keeps its caches there.
package main

import (
	"log"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// What expires does so only where time is said to pass.
	for range time.Tick(time.Second) {
		server.FastForward(time.Second)
	}
}
