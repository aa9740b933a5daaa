// Command dies says why and exits with 3 before it listens; with LATE after a second of serving, by a panic.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	if os.Getenv("LATE") == "" {
		fmt.Fprintln(os.Stderr, "no database")
		os.Exit(3)
	}
	if _, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT")); err != nil {
		panic(err)
	}
	time.Sleep(time.Second)
	var none map[string]int
	none["x"] = 1
}
