module emuplugin.invalid/go_readers

go 1.21
