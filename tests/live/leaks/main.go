// Goroutines that nothing can wake, in functions whose names begin with "leaked", and others that look the same and can be woken, in
// functions whose names begin with "kept". It prints "ready" when all of them wait. BUSY=1: others run all the time. HEAP=N: with
// N MiB of small objects.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

type node struct {
	next *node
	data [6]uintptr
}

type hub struct {
	mu   sync.Mutex
	done chan int
	subs map[string]chan int
}

var (
	global = make(chan int)
	hubs   = map[string]*hub{}
	heap   []*node
	once   sync.WaitGroup
)

//go:noinline
func leakedReceive(c chan int) { <-c }

//go:noinline
func leakedSend(c chan []byte) { c <- make([]byte, 100) }

//go:noinline
func leakedSelect(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

//go:noinline
func leakedLock(mu *sync.Mutex) { mu.Lock() }

//go:noinline
func leakedWait(wg *sync.WaitGroup) { wg.Wait() }

//go:noinline
func leakedRange(h *hub) {
	for range h.done {
	}
}

//go:noinline
func leakedFirst(a, b chan int) {
	<-a
	b <- 1
}

//go:noinline
func leakedSecond(a, b chan int) {
	<-b
	a <- 1
}

//go:noinline
func leakedNil() {
	var c chan int
	<-c
}

//go:noinline
func leakedContext(ctx context.Context) { <-ctx.Done() }

//go:noinline
func keptReceive(c chan int) { <-c }

//go:noinline
func keptByMap(h *hub) { <-h.done }

//go:noinline
func keptSelect(a, b chan int) {
	select {
	case <-a:
	case <-b:
	}
}

//go:noinline
func keptLock(mu *sync.Mutex) { mu.Lock() }

//go:noinline
func keptTimer(t *time.Timer) { <-t.C }

//go:noinline
func keptContext(ctx context.Context) { <-ctx.Done() }

//go:noinline
func keptWait() { once.Wait() }

// Only the first one is known to others; it would wake the second, and that the third.
//
//go:noinline
func keptChain(a, b chan int) {
	<-a
	b <- 1
}

//go:noinline
func keptByFinalizer(c chan int) { <-c }

// It sleeps, and has the other end on its stack.
//
//go:noinline
func sleeper(c chan int) {
	time.Sleep(time.Hour)
	c <- 1
}

//go:noinline
func start() {
	for i := 0; i < 3; i++ {
		go leakedReceive(make(chan int))
		go leakedSend(make(chan []byte))
	}
	go leakedSelect(make(chan int), make(chan int))
	other := &hub{}
	other.mu.Lock()
	go leakedLock(&other.mu)
	wg := &sync.WaitGroup{}
	wg.Add(1)
	go leakedWait(wg)
	go leakedRange(&hub{done: make(chan int)})
	a, b := make(chan int), make(chan int)
	go leakedFirst(a, b)
	go leakedSecond(a, b)
	go leakedNil()
	forgotten, _ := context.WithCancel(context.Background())
	go leakedContext(forgotten)

	go keptReceive(global)
	h := &hub{done: make(chan int), subs: map[string]chan int{"a": make(chan int, 3)}}
	hubs["kept"] = h
	go keptByMap(h)
	go keptSelect(make(chan int), h.done)
	h.mu.Lock()
	go keptLock(&h.mu)
	go keptTimer(time.NewTimer(time.Hour))
	limited, _ := context.WithTimeout(context.Background(), time.Hour)
	go keptContext(limited)
	once.Add(1)
	go keptWait()
	c, d, e := make(chan int), make(chan int), make(chan int)
	h.subs["chain"] = c
	go keptChain(c, d)
	go keptChain(d, e)
	go keptChain(e, make(chan int))
	f := make(chan int)
	closer := &node{}
	runtime.SetFinalizer(closer, func(*node) { close(f) })
	go keptByFinalizer(f)
	g := make(chan int)
	go keptReceive(g)
	go sleeper(g)
}

//go:noinline
func deep(n int) byte {
	var pad [512]byte
	pad[n%512] = 1
	if n == 0 {
		return pad[0]
	}
	return deep(n-1) + pad[3]
}

func main() {
	start()
	if os.Getenv("BUSY") != "" {
		for i := 0; i < 2; i++ {
			go func() {
				work := make(chan int)
				for {
					go func() { work <- int(deep(4)) }()
					<-work
				}
			}()
		}
	}
	size, _ := strconv.Atoi(os.Getenv("HEAP"))
	var last *node
	for i := 0; i < size<<20/64; i++ {
		last = &node{next: last}
		if i%1000 == 0 {
			heap = append(heap, last)
			last = nil
		}
	}
	// What start had on its stack is overwritten.
	deep(20)
	time.Sleep(300 * time.Millisecond)
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
