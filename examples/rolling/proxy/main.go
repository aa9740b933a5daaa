// Command proxy spreads requests over the servers that are ready, as a Service of Kubernetes does.
//
// It reads which servers are ready from its standard input, in lines such as
// localhost:8081 ready or localhost:8082 unready. It never retries, so a request
// that a server loses is lost.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

var (
	ready atomic.Pointer[[]string]
	turn  atomic.Uint64
)

func main() {
	go func() {
		log.Fatal((&http.Server{Addr: ":8080", Handler: http.HandlerFunc(serve), ReadHeaderTimeout: 5 * time.Second}).ListenAndServe())
	}()
	states := map[string]string{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		server, state, _ := strings.Cut(lines.Text(), " ")
		if states[server] == state {
			continue
		}
		states[server] = state
		fmt.Fprintln(os.Stderr, "proxy:", server, state)
		var now []string
		for server, state := range states {
			if state == "ready" {
				now = append(now, server)
			}
		}
		ready.Store(&now)
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	servers := ready.Load()
	if servers == nil || len(*servers) == 0 {
		http.Error(w, "no server is ready", http.StatusServiceUnavailable)
		return
	}
	server := (*servers)[turn.Add(1)%uint64(len(*servers))]
	w.Header().Set("X-Server", server)
	r.URL.Scheme, r.URL.Host = "http", server
	proxy.ServeHTTP(w, r)
}

var proxy = &httputil.ReverseProxy{
	Rewrite: func(r *httputil.ProxyRequest) { r.SetXForwarded() },
	Transport: &http.Transport{
		MaxIdleConnsPerHost: 100,
	},
	ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusBadGateway)
	},
}
