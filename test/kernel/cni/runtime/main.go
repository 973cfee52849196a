// SPDX-License-Identifier: Apache-2.0

// Command runtime connects pods as a container runtime does, through the real libcni: as containerd, with its own
// go-cni, or as CRI-O. Called by a runtime, it is a plugin that stands in for any other.
//
//	runtime containerd|crio add|del|add,del CONF_DIR CACHE_DIR ID BIN_DIR...
//	runtime containerd|crio hammer CONF_DIR CACHE_DIR ID BIN_DIR...
//
// The result is one line of JSON. `hammer` connects and disconnects pods until its standard input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// runtime is the common interface of containerd and CRI-O.
type runtime interface {
	// load reads the directory. It returns the network's name and the types of its plugins.
	load() (network, error)
	add(id string) error
	del(id string) error
}

type network struct {
	Name  string   `json:"network"`
	Types []string `json:"types"`
}

type answer struct {
	network
	Pods   int      `json:"pods,omitempty"`
	Seen   []string `json:"seen,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

func main() {
	if os.Getenv("CNI_COMMAND") != "" {
		os.Exit(plugin())
	}
	if len(os.Args) < 7 {
		fmt.Fprintln(os.Stderr, "runtime: it needs a runtime, a verb, three names and the directories of plugins")
		os.Exit(2)
	}
	rule, verbs, confDir, cacheDir, id, binDirs :=
		os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6:]
	var r runtime
	if rule == "containerd" {
		r = newContainerd(confDir, binDirs)
	} else {
		r = &crio{confDir: confDir, cacheDir: cacheDir, binDirs: binDirs}
	}
	var said answer
	if verbs == "hammer" {
		said = hammer(r, id)
	} else {
		said = once(r, id, strings.Split(verbs, ","))
	}
	json.NewEncoder(os.Stdout).Encode(said)
}

func once(r runtime, id string, verbs []string) answer {
	var said answer
	var err error
	if said.network, err = r.load(); err != nil {
		said.Errors = append(said.Errors, err.Error())
	}
	for _, verb := range verbs {
		if verb == "add" {
			err = r.add(id)
		} else {
			err = r.del(id)
		}
		if err != nil {
			said.Errors = append(said.Errors, verb+": "+err.Error())
		}
	}
	return said
}

func hammer(r runtime, id string) answer {
	var said answer
	seen := map[string]bool{}
	end := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		}
		close(end)
	}()
	fmt.Println("{}")
	for {
		select {
		case <-end:
			return said
		default:
		}
		said.Pods++
		pod := fmt.Sprintf("%s-%d", id, said.Pods)
		n, err := r.load()
		// A file was removed between the listing of the directory and the read. The runtime gets an event, and
		// looks again.
		for errors.Is(err, fs.ErrNotExist) || (err != nil && strings.Contains(err.Error(), "no such file")) {
			n, err = r.load()
		}
		if err == nil {
			err = r.add(pod)
		}
		if err == nil {
			err = r.del(pod)
		}
		if err != nil && len(said.Errors) < 5 {
			said.Errors = append(said.Errors, err.Error())
		}
		if types := strings.Join(n.Types, " "); !seen[types] {
			seen[types] = true
			said.Seen = append(said.Seen, types)
		}
	}
}

var ctx = context.Background()
