// Command load makes requests, and counts those that were lost.
//
//	load -requests 10000 -clients 25 'http://localhost:8080/slow?ms=20'
//
// Each client asks every 20 ms, or as soon as it has its answer. A request is
// lost if its answer is not a complete 200. The load goes on until it has been sent
// SIGTERM and has made that many requests.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	requests := flag.Int64("requests", 10000, "how many, at least")
	clients := flag.Int("clients", 25, "how many at once")
	flag.Parse()
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()

	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: *clients},
	}
	var (
		all      sync.WaitGroup
		made     atomic.Int64
		lock     sync.Mutex
		answered = map[string]int{} // by the server that has answered
		lost     = map[string]int{} // by the reason
	)
	began := time.Now()
	for range *clients {
		all.Go(func() {
			for made.Add(1) <= *requests || stop.Err() == nil {
				next := time.Now().Add(20 * time.Millisecond)
				server, err := get(client, flag.Arg(0))
				lock.Lock()
				if err != nil {
					lost[err.Error()]++
				} else {
					answered[server]++
				}
				lock.Unlock()
				time.Sleep(time.Until(next))
			}
		})
	}
	all.Wait()

	total := sum(answered) + sum(lost)
	fmt.Printf("%d requests in %.1f s, %d lost\n", total, time.Since(began).Seconds(), sum(lost))
	for _, counts := range []map[string]int{answered, lost} {
		for _, key := range sorted(counts) {
			fmt.Printf("%6d  %s\n", counts[key], key)
		}
	}
	if sum(lost) > 0 {
		os.Exit(1)
	}
}

func get(client *http.Client, url string) (server string, err error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return "answered by " + response.Header.Get("X-Server"), nil
}

func sum(counts map[string]int) (sum int) {
	for _, count := range counts {
		sum += count
	}
	return sum
}

// sorted has the most frequent first.
func sorted(counts map[string]int) []string {
	keys := make([]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return counts[b] - counts[a] })
	return keys
}
