package main

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"io"
	"sort"
	"strings"
)

const attrGoRuntimeType = dwarf.Attr(0x2904)

// truth reads the symbol table and the DWARF of a plugin that is not stripped.
func truth(path string) (*Answer, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	answer := &Answer{}
	if err := functionsOf(file, answer); err != nil {
		return nil, err
	}
	data, err := file.DWARF()
	if err != nil {
		return nil, err
	}
	numbers := &files{numbers: map[string]int{}}
	reader := data.Reader()
	isGo := false
	for {
		entry, err := reader.Next()
		if err != nil {
			return nil, err
		}
		if entry == nil {
			break
		}
		switch entry.Tag {
		case dwarf.TagCompileUnit:
			producer, _ := entry.Val(dwarf.AttrProducer).(string)
			isGo = strings.HasPrefix(producer, "Go cmd/compile")
			if isGo {
				if err := linesOf(data, entry, answer, numbers); err != nil {
					return nil, err
				}
			}
		case dwarf.TagSubprogram:
			reader.SkipChildren()
		case dwarf.TagVariable:
			if isGo {
				if err := variableOf(data, entry, answer); err != nil {
					return nil, err
				}
			}
		default:
			if isGo {
				typeOf(entry, answer)
			}
		}
	}
	answer.Files = numbers.names
	return answer, nil
}

// functionsOf adds Go's functions, by address.
func functionsOf(file *elf.File, answer *Answer) error {
	symbols, err := file.Symbols()
	if err != nil {
		return err
	}
	ends := map[string]uint64{}
	for _, symbol := range symbols {
		name := strings.TrimPrefix(symbol.Name, "local.")
		if name == "runtime.text" || name == "runtime.etext" {
			ends[name] = symbol.Value
		}
	}
	start, end := ends["runtime.text"], ends["runtime.etext"]
	if start >= end {
		return fmt.Errorf("no symbols runtime.text and runtime.etext")
	}
	for _, symbol := range symbols {
		if elf.ST_TYPE(symbol.Info) != elf.STT_FUNC || symbol.Value < start || symbol.Value >= end {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(symbol.Name, "local."), ".abi0")
		answer.Functions = append(answer.Functions, Function{name, symbol.Value, symbol.Size})
	}
	sort.SliceStable(answer.Functions, func(i, j int) bool {
		return answer.Functions[i].Address < answer.Functions[j].Address
	})
	return nil
}

// linesOf adds the rows of a unit's line table, those that lie in functions.
func linesOf(data *dwarf.Data, unit *dwarf.Entry, answer *Answer, numbers *files) error {
	lines, err := data.LineReader(unit)
	if err != nil || lines == nil {
		return err
	}
	functions := answer.Functions
	var row dwarf.LineEntry
	for {
		if err := lines.Next(&row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		at := sort.Search(len(functions), func(i int) bool { return functions[i].Address > row.Address }) - 1
		if row.EndSequence || at < 0 || row.Address >= functions[at].Address+functions[at].Size {
			continue
		}
		// Of several rows for one address the last holds.
		if last := len(answer.Rows) - 1; last >= 0 && answer.Rows[last][0] == int(row.Address) {
			answer.Rows = answer.Rows[:last]
		}
		answer.Rows = append(answer.Rows, [3]int{int(row.Address), numbers.number(row.File.Name), row.Line})
	}
}

// typeOf adds the type of an entry that names a descriptor.
func typeOf(entry *dwarf.Entry, answer *Answer) {
	name, _ := entry.Val(dwarf.AttrName).(string)
	if descriptor, ok := entry.Val(attrGoRuntimeType).(uint64); !ok || descriptor == 0 || name == "" {
		return
	}
	size, ok := entry.Val(dwarf.AttrByteSize).(int64)
	if !ok {
		size = -1
	}
	answer.Types = append(answer.Types, Named{Name: name, Size: size})
}

// variableOf adds a package variable with the name of its type.
func variableOf(data *dwarf.Data, entry *dwarf.Entry, answer *Answer) error {
	name, _ := entry.Val(dwarf.AttrName).(string)
	offset, ok := entry.Val(dwarf.AttrType).(dwarf.Offset)
	if !ok {
		return nil
	}
	reader := data.Reader()
	reader.Seek(offset)
	of, err := reader.Next()
	if err != nil || of == nil {
		return err
	}
	typeName, _ := of.Val(dwarf.AttrName).(string)
	answer.Variables = append(answer.Variables, Named{Name: name, Size: -1, Type: typeName})
	return nil
}
