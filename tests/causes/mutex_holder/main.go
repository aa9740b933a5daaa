// Command mutex_holder: what the shutdown wants to lock is held by a goroutine that waits for a slow disk (here a FIFO).
package main

import (
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

type store struct {
	mu   sync.RWMutex
	path string
	data []byte
}

func (s *store) reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data, _ = os.ReadFile(s.path) // goward: Mutex
}

func (s *store) flush() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	log.Println("flushed", len(s.data))
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	directory, err := os.MkdirTemp("", "goward-causes-")
	if err != nil {
		log.Fatal(err)
	}
	s := &store{path: filepath.Join(directory, "slow")}
	if err := syscall.Mkfifo(s.path, 0o600); err != nil {
		log.Fatal(err)
	}
	writer, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Close()
	go s.reload()
	time.Sleep(100 * time.Millisecond)
	os.RemoveAll(directory)
	log.Println("ready")

	<-signals
	s.flush()
}
