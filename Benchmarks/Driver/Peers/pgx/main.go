// pgx as one contender: pgxpool, whose connections prepare and cache the statement by themselves.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/ioutil"
	"os"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v4/pgxpool"
)

// The tenant 018f0000-0000-7000-8000-000000000001, as a uuid travels.
var tenant = [16]byte{1, 0x8f, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}

// keys gives numbers from 1 on, uniformly, by xorshift64*.
type keys uint64

func (state *keys) next(limit uint64) string {
	*state ^= *state >> 12
	*state ^= *state << 25
	*state ^= *state >> 27
	return strconv.FormatUint(1+uint64(*state)*0x2545F4914F6CDD1D%limit, 10)
}

func processorSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	connection := flag.String("connection", "", "")
	statement := flag.String("statement", "", "")
	workload := flag.String("workload", "select", "")
	tasks := flag.Int("tasks", 64, "")
	connections := flag.Int("connections", 16, "")
	seconds := flag.Float64("seconds", 3, "")
	warmup := flag.Float64("warmup", 0.5, "")
	seed := flag.Uint64("seed", 1, "")
	rows := flag.Uint64("rows", 1000000, "")
	flag.Parse()

	text, err := ioutil.ReadFile(*statement)
	check(err)
	sql := string(text)
	config, err := pgxpool.ParseConfig(*connection)
	check(err)
	config.MaxConns, config.MinConns = int32(*connections), int32(*connections)
	ctx := context.Background()
	pool, err := pgxpool.ConnectConfig(ctx, config)
	check(err)

	begin := time.Now().Add(time.Duration(*warmup * float64(time.Second)))
	end := begin.Add(time.Duration(*seconds * float64(time.Second)))
	latencies := make([][]int64, *tasks)
	var group sync.WaitGroup
	for index := 0; index < *tasks; index++ {
		group.Add(1)
		go func(index int) {
			defer group.Done()
			state := keys((*seed+uint64(index)*7919)*0x9E3779B97F4A7C15 | 1)
			for {
				before := time.Now()
				if !before.Before(end) {
					return
				}
				key := state.next(*rows)
				if *workload == "select" {
					row, err := pool.Query(ctx, sql, tenant, key)
					check(err)
					for row.Next() {
						_ = row.RawValues()[0]
					}
					check(row.Err())
				} else {
					_, err := pool.Exec(ctx, sql, tenant, key)
					check(err)
				}
				after := time.Now()
				if !before.Before(begin) && !after.After(end) {
					latencies[index] = append(latencies[index], after.Sub(before).Nanoseconds())
				}
			}
		}(index)
	}
	time.Sleep(time.Until(begin))
	processor := processorSeconds()
	time.Sleep(time.Until(end))
	processor = processorSeconds() - processor
	group.Wait()

	var all []int64
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	quantile := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		index := int(float64(len(all)) * share)
		if index >= len(all) {
			index = len(all) - 1
		}
		return float64(all[index]) / 1000
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"queries": len(all), "seconds": *seconds, "p50_us": quantile(0.5), "p99_us": quantile(0.99),
		"cpu_seconds": processor,
	}))
}
