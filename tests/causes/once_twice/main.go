// Command once_twice: the function that a sync.Once runs calls Do of the same Once.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

type config struct {
	once   sync.Once
	values map[string]string
}

func (c *config) load() {
	c.once.Do(func() {
		c.values = map[string]string{"name": c.get("default")}
	})
}

func (c *config) get(key string) string {
	c.once.Do(c.load) // goward: Once
	return c.values[key]
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	log.Println("ready")
	<-signals
	(&config{}).load()
}
