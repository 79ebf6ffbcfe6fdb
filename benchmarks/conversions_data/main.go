// Package main holds data to convert. As a plugin it is read and written in the emulator; as a
// program it serves the same data natively, as JSON over a pipe.
//
//	main FLOATS ENTRIES
//
// Each line on stdin is one request: "read NAME" is answered by the length of the JSON and the JSON,
// "write NAME LENGTH" is followed by JSON and answered by a 0 when it has been decoded.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
)

type Point struct {
	Name   string
	X, Y   int
	Weight float64
}

var (
	Floats []float64
	Counts map[string]int
	Points []Point
	Words  []string
	// Documents are what has no type of its own.
	Documents []any
)

// Fill makes data of the given sizes.
func Fill(floats, entries int) {
	Floats = make([]float64, floats)
	for i := range Floats {
		Floats[i] = float64(i) / 7
	}
	Counts = make(map[string]int, entries)
	Points = make([]Point, entries)
	Words = make([]string, entries)
	for i := range Words {
		name := "entry " + strconv.Itoa(i)
		Counts[name] = i * i
		Points[i] = Point{name, i, -i, float64(i) / 7}
		Words[i] = name
	}
	Documents = make([]any, entries/10)
	for i := range Documents {
		Documents[i] = map[string]any{
			"name": Words[i], "number": float64(i), "tags": []any{"a", true, nil},
		}
	}
}

func main() {
	floats, err := strconv.Atoi(os.Args[1])
	check(err)
	entries, err := strconv.Atoi(os.Args[2])
	check(err)
	Fill(floats, entries)
	data := map[string]any{"Floats": &Floats, "Counts": &Counts, "Points": &Points, "Words": &Words,
		"Documents": &Documents}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		var verb, name string
		var length int64
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return
		}
		check(err)
		fmt.Sscan(line, &verb, &name, &length)
		answer := []byte{}
		if verb == "read" {
			answer, err = json.Marshal(data[name])
			check(err)
		} else {
			text := make([]byte, length)
			_, err = io.ReadFull(in, text)
			check(err)
			check(json.Unmarshal(text, data[name]))
		}
		check(binary.Write(os.Stdout, binary.LittleEndian, int64(len(answer))))
		_, err = os.Stdout.Write(answer)
		check(err)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
