// The lab's workload: answers with the name of the site it runs on.
//
// START_DELAY and STOP_DELAY (seconds) make it slow to answer after its start, and slow to end after SIGTERM.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func seconds(name string) time.Duration {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value < 0 {
		log.Fatalf("%s is %q; it must be a number of seconds, as in 2.5", name, text)
	}
	return time.Duration(value * float64(time.Second))
}

func main() {
	startDelay, stopDelay := seconds("START_DELAY"), seconds("STOP_DELAY")
	ending, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer release()
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, os.Getenv("NODE_NAME"))
	})
	select {
	case <-time.After(startDelay):
	case <-ending.Done():
		return
	}
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	<-ending.Done()
	time.Sleep(stopDelay)
}
