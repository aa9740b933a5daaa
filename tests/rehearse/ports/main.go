// Command ports listens on three ports, as many servers do: for an administrator, whose is the first; for peers that do not speak
// HTTP; and, a little later, for those it is there for. It takes what is sent to it by POST.
package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	port, _ := strconv.Atoi(os.Getenv("PORT"))
	listen := func(port int) net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			panic(err)
		}
		return listener
	}
	admin := &http.Server{Handler: http.NotFoundHandler()}
	go admin.Serve(listen(0))
	peers := listen(0)
	go func() {
		for {
			peer, err := peers.Accept()
			if err != nil {
				return
			}
			peer.Write([]byte("\x00\x01"))
			peer.Close()
		}
	}()
	time.Sleep(50 * time.Millisecond)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(150 * time.Millisecond)
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		time.Sleep(50 * time.Millisecond)
		if r.Header.Get("Authorization") != "Bearer x" || r.Host != "shop.example" || string(body) != `{"item":1}` {
			http.Error(w, "no", http.StatusInternalServerError)
		}
	})
	server := &http.Server{Handler: mux}
	go server.Serve(listen(port))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	server.Shutdown(context.Background())
	admin.Close()
}
