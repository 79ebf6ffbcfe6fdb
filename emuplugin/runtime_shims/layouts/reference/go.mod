module emuplugin.example/reference

go 1.21
