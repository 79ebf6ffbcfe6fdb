module emuplugin.test/workloads

go 1.21
