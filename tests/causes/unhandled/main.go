// Command unhandled: a server that is stopped by SIGUSR1, of which it knows nothing.
package main

import (
	"log"
	"net"
	"net/http"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	log.Println("ready")
	log.Fatal(http.Serve(listener, nil)) // goward: Unhandled after SIGUSR1
}
