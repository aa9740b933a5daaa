// Command server answers health checks in every way there is a probe for. On
// SIGUSR1 it falls ill, and on the next one it is well again.
//
//	server http|grpc NETWORK ADDRESS     tells by its answers
//	server listen NETWORK ADDRESS        listens as long as it is well
//	server file PATH                     a file is there as long as it is ill
//
// START and STOP are milliseconds that it takes for that. They do not pass while
// the container is paused.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

var ill atomic.Bool

func main() {
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	works("START")
	turn := func() {}
	switch args := os.Args[1:]; args[0] {
	case "http":
		serve(args[1], args[2], http.HandlerFunc(answer), false)
	case "grpc":
		serve(args[1], args[2], http.HandlerFunc(check), true)
	case "listen":
		listener := listen(args[1], args[2])
		turn = func() {
			if ill.Load() {
				listener.Close()
			} else {
				listener = listen(args[1], args[2])
			}
		}
	case "file":
		turn = func() {
			if ill.Load() {
				os.WriteFile(args[1], nil, 0o644)
			} else {
				os.Remove(args[1])
			}
		}
	}
	fmt.Println("serving")
	for {
		select {
		case <-usr1:
			ill.Store(!ill.Load())
			turn()
			fmt.Println("ill:", ill.Load())
		case <-term.Done():
			// With a drain before it, requests are answered until here.
			fmt.Println("told to stop")
			works("STOP")
			return
		}
	}
}

func works(variable string) {
	milliseconds, _ := strconv.Atoi(os.Getenv(variable))
	for range milliseconds / 10 {
		time.Sleep(10 * time.Millisecond)
	}
}

func listen(network, address string) net.Listener {
	listener, err := net.Listen(network, address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return listener
}

func serve(network, address string, handler http.Handler, h2 bool) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	if h2 {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	listener := listen(network, address)
	go server.Serve(listener)
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/healthz":
		http.NotFound(w, r)
	case ill.Load():
		http.Error(w, "the database is away", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ok")
	}
}

// check is grpc.health.v1.Health/Check, without the library: a message is a
// byte that says whether it is compressed, its length, and a protocol buffer.
func check(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	message, err := io.ReadAll(r.Body)
	trailers := func(status, text string) {
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", text)
	}
	if err != nil || r.URL.Path != "/grpc.health.v1.Health/Check" || len(message) < 5 {
		trailers("12", "unimplemented")
		return
	}
	service := ""
	if len(message) > 7 && message[5] == 0x0a {
		service = string(message[7:])
	}
	if service != "" && service != "shop.v1.Orders" {
		trailers("5", "unknown service")
		return
	}
	status := byte(1)
	if ill.Load() {
		status = 2
	}
	reply := append(binary.BigEndian.AppendUint32([]byte{0}, 2), 0x08, status)
	w.Write(reply)
	trailers("0", "")
}
