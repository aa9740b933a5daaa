// Command at_work works, in the way that its argument names, and nobody asks it to stop: at no moment is anybody in it at fault.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"sync"
	"time"
)

// A cache that many want: one after another holds its mutex.
type cache struct {
	mu   sync.Mutex
	sums map[byte]int
	file *os.File
}

func (c *cache) get(key byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sums[key]
}

func (c *cache) put(key byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums[key]++
	fmt.Fprintln(c.file, key)
	c.file.Truncate(0)
}

// Rates that many read and change: an RWMutex has several semaphores, and is one mutex.
type rates struct {
	mu  sync.RWMutex
	all map[byte]byte
}

func (r *rates) look(key byte) byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return work(r.all[key])
}

func (r *rates) set(key byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[key] = work(key)
}

func work(key byte) byte {
	sum := sha256.Sum256([]byte{key})
	for range 300 {
		sum = sha256.Sum256(sum[:])
	}
	return sum[0]
}

func open() *os.File {
	file, err := os.CreateTemp("", "at_work")
	if err != nil {
		log.Fatal(err)
	}
	os.Remove(file.Name())
	return file
}

func forever(do func(byte)) {
	for key := byte(0); ; key++ {
		do(key)
	}
}

func main() {
	log.Println("ready")
	var wg sync.WaitGroup
	switch os.Args[1] {
	case "reads":
		zeros, err := os.Open("/dev/zero")
		if err != nil {
			log.Fatal(err)
		}
		reader := bufio.NewReader(zeros)
		forever(func(byte) { reader.ReadByte() })
	case "syncs":
		file := open()
		forever(func(key byte) {
			fmt.Fprintln(file, work(key))
			file.Sync()
			file.Truncate(0)
		})
	case "naps":
		forever(func(key byte) {
			work(key)
			time.Sleep(time.Millisecond)
		})
	case "cache":
		// Somebody is at work at every moment, if only not with the mutex.
		go forever(func(key byte) { work(key) })
		shared := &cache{sums: map[byte]int{}, file: open()}
		for range 8 {
			wg.Go(func() {
				forever(func(key byte) {
					shared.put(work(key))
					shared.get(key)
				})
			})
		}
		wg.Wait()
	case "rates":
		go forever(func(key byte) { work(key) })
		shared := &rates{all: map[byte]byte{}}
		for range 8 {
			wg.Go(func() {
				forever(func(key byte) {
					shared.look(key)
					shared.set(key)
				})
			})
		}
		wg.Wait()
	case "pipeline":
		sums := make(chan byte)
		for range 4 {
			wg.Go(func() { forever(func(key byte) { sums <- work(key) }) })
		}
		wg.Go(func() {
			for range sums {
				time.Sleep(100 * time.Microsecond)
			}
		})
		wg.Wait()
	}
}
