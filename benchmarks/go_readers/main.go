// Program go_readers tells what Go's own packages read of a plugin: as JSON, what the linker wrote
// into its symbol table and DWARF ("truth"), or what debug/gosym finds in its function table
// ("gosym"), which is all that a stripped file leaves to it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// Function is one of a plugin.
type Function struct {
	Name    string `json:"name"`
	Address uint64 `json:"address"`
	Size    uint64 `json:"size"`
}

// Named is a type and its size (-1 where there is none), or a variable and its type.
type Named struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Type string `json:"type"`
}

// Answer is all that was read.
type Answer struct {
	Functions []Function `json:"functions"`
	Rows      [][3]int   `json:"rows"` // address, index of the file, line
	Files     []string   `json:"files"`
	Types     []Named    `json:"types"`
	Variables []Named    `json:"variables"`
}

// files numbers names.
type files struct {
	names   []string
	numbers map[string]int
}

func (f *files) number(name string) int {
	number, ok := f.numbers[name]
	if !ok {
		number = len(f.names)
		f.numbers[name] = number
		f.names = append(f.names, name)
	}
	return number
}

func main() {
	answer, err := read(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(arguments []string) (*Answer, error) {
	if len(arguments) == 2 && arguments[0] == "truth" {
		return truth(arguments[1])
	}
	if len(arguments) == 3 && arguments[0] == "gosym" {
		content, err := os.ReadFile(arguments[2])
		if err != nil {
			return nil, err
		}
		known := &Answer{}
		if err := json.Unmarshal(content, known); err != nil {
			return nil, err
		}
		return gosymbols(arguments[1], known)
	}
	return nil, fmt.Errorf("usage: go_readers truth PLUGIN | go_readers gosym PLUGIN TRUTH")
}
