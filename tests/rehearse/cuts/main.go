// Command cuts gives a stop 100 ms, whatever its handlers take, and then exits: what is in flight is lost. With -shutdown it
// takes no more requests meanwhile.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	shutdown := flag.Bool("shutdown", false, "call Shutdown first")
	flag.Parse()
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		w.Write([]byte("done\n"))
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	<-signals
	if !*shutdown {
		time.Sleep(100 * time.Millisecond)
		return
	}
	// The fault: handlers that take longer are cut.
	within, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	server.Shutdown(within)
}
