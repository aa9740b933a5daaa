package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

// Connections of clients stay open between their requests.
func keepAlive() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") }
}

// Connections to another server are kept, as many as were needed at once.
func clientPool() http.HandlerFunc {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
		fmt.Fprintln(w, "hello")
	}))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20}}
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := client.Get(other.URL)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		io.Copy(w, answer.Body)
	}
}

// A pool of connections as that of a database: each has a goroutine that reads, and they are opened when they are needed.
func connectionPool() http.HandlerFunc {
	type connection struct{ asked, answered chan int }
	idle := make(chan connection, 16)
	var open atomic.Int32
	get := func() connection {
		select {
		case c := <-idle:
			return c
		default:
		}
		if open.Add(1) > 16 {
			return <-idle
		}
		c := connection{make(chan int), make(chan int)}
		go func() {
			for number := range c.asked {
				time.Sleep(time.Millisecond)
				c.answered <- number + 1
			}
		}()
		return c
	}
	return func(w http.ResponseWriter, r *http.Request) {
		c := get()
		c.asked <- 1
		fmt.Fprintln(w, <-c.answered)
		idle <- c
	}
}

// What is needed only if somebody asks is started by the first request.
func startedOnce() http.HandlerFunc {
	var once sync.Once
	jobs := make(chan func())
	return func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			for range 8 {
				go func() {
					for job := range jobs {
						job()
					}
				}()
			}
			go func() {
				for range time.Tick(10 * time.Millisecond) {
				}
			}()
		})
		done := make(chan struct{})
		jobs <- func() { close(done) }
		<-done
		fmt.Fprintln(w, "done")
	}
}

// A worker is started when all others are busy, and stays.
func grownWorkers() http.HandlerFunc {
	jobs := make(chan func())
	return func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		job := func() { time.Sleep(time.Millisecond); close(done) }
		select {
		case jobs <- job:
		default:
			go func() {
				job()
				for job := range jobs {
					job()
				}
			}()
		}
		<-done
		fmt.Fprintln(w, "done")
	}
}

// Each of sixteen parts of a cache has a goroutine that cleans it, once it is used.
func cache() http.HandlerFunc {
	var parts [16]struct {
		sync.Once
		sync.Map
	}
	var number atomic.Uint32
	return func(w http.ResponseWriter, r *http.Request) {
		key := number.Add(1)
		part := &parts[key%16]
		part.Do(func() {
			go func() {
				for range time.Tick(20 * time.Millisecond) {
					part.Clear()
				}
			}()
		})
		part.Store(key, r.RemoteAddr)
		fmt.Fprintln(w, key)
	}
}

// What a request has started may end a while after it.
func lateCleanup() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		go func() {
			time.Sleep(300 * time.Millisecond)
			log.SetPrefix("")
		}()
		fmt.Fprintln(w, "cleaned up later")
	}
}

// A batch is written by a goroutine that ends when nothing has come for a while.
func idleBatcher() http.HandlerFunc {
	var mu sync.Mutex
	var lines chan string
	write := func(lines chan string) {
		for {
			select {
			case <-lines:
			case <-time.After(200 * time.Millisecond):
				return
			}
		}
	}
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if lines == nil {
			lines = make(chan string, 1000)
		}
		if len(lines) == 0 {
			go write(lines)
		}
		lines <- r.RemoteAddr
		mu.Unlock()
		fmt.Fprintln(w, "written")
	}
}

// Several are asked at once, and there is room for the answers that nobody waits for.
func fanOut() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answers := make(chan int, 3)
		for number := range 3 {
			go func() {
				time.Sleep(time.Duration(number) * time.Millisecond)
				answers <- number
			}()
		}
		fmt.Fprintln(w, <-answers)
	}
}

// Contexts are cancelled, tickers stopped, subscribers removed, also if the client does not wait.
func cancelledTimely() http.HandlerFunc {
	h := &hub{subscribers: map[chan int]bool{}}
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		go watch(ctx)
		events := h.subscribe()
		defer h.unsubscribe(events)
		go h.forward(events)
		go func() {
			ticks := time.NewTicker(time.Millisecond)
			defer ticks.Stop()
			for {
				select {
				case <-ticks.C:
				case <-ctx.Done():
					return
				}
			}
		}()
		near, far := net.Pipe()
		defer near.Close()
		go io.Copy(io.Discard, far)
		select {
		case <-time.After(30 * time.Millisecond):
			fmt.Fprintln(w, "done")
		case <-ctx.Done():
		}
	}
}
