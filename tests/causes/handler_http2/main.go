// Command handler_http2: a handler of an HTTP/2 stream waits for an event that never comes.
package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"os/signal"
	"syscall"
)

type hub struct{ events chan string }

func (h *hub) follow(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	log.Println(r.Proto, "ready")
	for event := range h.events { // goward: Handlers
		w.Write([]byte(event))
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h := &hub{make(chan string)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(h.follow))
	server.EnableHTTP2 = true
	server.StartTLS()
	go server.Client().Get(server.URL)

	<-ctx.Done()
	server.Config.Shutdown(context.Background())
}
