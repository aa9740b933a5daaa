// Command deadlock: nothing can ever run again, and the runtime says so by itself.
package main

import "log"

func main() {
	log.Println("ready")
	results := make(chan int)
	results <- 1 // goward: Send after nothing
	log.Println(<-results)
}
