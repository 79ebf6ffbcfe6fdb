package main

import (
	"debug/elf"
	"debug/gosym"
	"fmt"
)

// gosymbols reads the function table with debug/gosym as its documentation says, and as
// cmd/internal/objfile does: the section .gopclntab, and .text for where the code starts. Lines are
// looked up where the truth has some.
func gosymbols(path string, truth *Answer) (*Answer, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text := file.Section(".text")
	var section *elf.Section
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if section == nil {
			section = file.Section(name)
		}
	}
	if text == nil || section == nil {
		return nil, fmt.Errorf("no section .text or .gopclntab")
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil, err
	}
	answer := &Answer{}
	numbers := &files{numbers: map[string]int{}}
	for name := range table.Files {
		numbers.number(name)
	}
	for i := range table.Funcs {
		function := &table.Funcs[i]
		answer.Functions = append(answer.Functions, Function{function.Name, function.Entry, function.End - function.Entry})
	}
	for _, row := range truth.Rows {
		name, line, _ := table.PCToLine(uint64(row[0]))
		answer.Rows = append(answer.Rows, [3]int{row[0], numbers.number(name), line})
	}
	answer.Files = numbers.names
	return answer, nil
}
