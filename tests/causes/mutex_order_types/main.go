// Command mutex_order_types: two mutexes of two types, each taken while the other is held.
package main

import (
	"log"
	"sync"
	"time"
)

type store struct {
	mu    sync.Mutex
	index *index
}

type index struct {
	mu    sync.Mutex
	store *store
}

func (s *store) put() {
	s.mu.Lock()
	defer s.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	s.index.note()
}

func (s *store) size() {
	s.mu.Lock() // goward: LockOrder after nothing
	defer s.mu.Unlock()
}

func (i *index) note() {
	i.mu.Lock() // goward: LockOrder after nothing
	defer i.mu.Unlock()
}

func (i *index) rebuild() {
	i.mu.Lock()
	defer i.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	i.store.size()
}

func main() {
	s, i := &store{}, &index{}
	s.index, i.store = i, s
	var all sync.WaitGroup
	all.Go(s.put)
	all.Go(i.rebuild)
	// What keeps the runtime from finding that all are asleep.
	go time.Sleep(time.Hour)
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")
	all.Wait()
}
