// A server whose goroutines wait in every way there is. It prints its address, where its own profile of them can be had.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

type pair[K comparable, V any] struct {
	k K
	v V
	c chan V
}

func (p *pair[K, V]) wait() { <-p.c }

func generic[T any](c chan T) { <-c }

type waiter interface{ wait() }

type embedded struct{ *inner }
type inner struct{ c chan int }

func (i *inner) wait() { <-i.c }

func recurse(n int, c chan int) {
	if n == 0 {
		<-c
		return
	}
	recurse(n-1, c)
}

func inlinedRecv(c chan int) { <-c }

func main() {
	var mu sync.Mutex
	var rw sync.RWMutex
	var wg sync.WaitGroup
	var cond = sync.NewCond(&sync.Mutex{})
	mu.Lock()
	rw.Lock()
	wg.Add(1)
	c := make(chan int)
	full := make(chan int, 2)
	full <- 1
	full <- 2
	var nilc chan int
	go func() { <-c }()
	go func() { full <- 3 }()
	go func() { <-nilc }()
	go func() { nilc <- 1 }()
	go func() { select {} }()
	go func() {
		select {
		case <-c:
		case full <- 1:
		}
	}()
	go func() { mu.Lock() }()
	go func() { mu.Lock() }()
	go func() { rw.RLock() }()
	go func() { rw.Lock() }()
	go func() { wg.Wait() }()
	go func() { cond.L.Lock(); cond.Wait() }()
	go func() { time.Sleep(time.Hour) }()
	go generic(make(chan string))
	go (&pair[string, int]{c: c}).wait()
	var w waiter = embedded{&inner{c}}
	go w.wait()
	go w.wait()
	f := w.wait
	go f()
	go recurse(20, c)
	go recurse(300, c)
	go func() { inlinedRecv(c) }()
	go func() { defer func() { <-c }(); panic("x") }()
	go func() {
		runtime.LockOSThread()
		var b [1]byte
		r, _, _ := os.Pipe()
		syscall.Read(int(r.Fd()), b[:])
	}()
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() { l.Accept() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-ctx.Done() }()
	t := time.NewTicker(time.Hour)
	go func() {
		for range t.C {
		}
	}()
	go func() { (&sync.Once{}).Do(func() { <-c }) }()
	for i := 0; i < 3; i++ {
		go func(i int) { _ = fmt.Sprint(i); <-c }(i)
	}
	time.Sleep(200 * time.Millisecond)
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	fmt.Println(ln.Addr())
	os.Stdout.Sync()
	http.Serve(ln, nil)
}
