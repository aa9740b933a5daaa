// Command kubelet asks goward twice a second whether the server is ready, and
// prints what the proxy reads, such as localhost:8081 ready.
//
// It runs inside the container, as a readinessProbe with exec does.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	for {
		state := "ready"
		if exec.Command("/goward", "status", "--ready", "--quiet").Run() != nil {
			state = "unready"
		}
		fmt.Println(os.Args[1], state)
		time.Sleep(500 * time.Millisecond)
	}
}
