// Functions of many signatures that do next to nothing: what a call of them costs is the call.
package main

import "errors"

type Point struct {
	X, Y float64
	Name string
}

func Add(a, b int) int { return a + b }

func Nothing() {}

func Scale(x, by float64) float64 { return x * by }

func Divide(a, b int) (int, int, error) {
	if b == 0 {
		return 0, 0, errors.New("division by zero")
	}
	return a / b, a % b, nil
}

func Join(a, b string) string { return a + b }

func First(text string) string { return text[:1] }

func Length(text string) int { return len(text) }

func Count(numbers []int) int { return len(numbers) }

func Sum(numbers []int) (sum int) {
	for _, number := range numbers {
		sum += number
	}
	return
}

func Move(p Point) Point {
	p.X++
	return p
}

func (p *Point) Norm() float64 { return p.X*p.X + p.Y*p.Y }

var Origin = &Point{X: 3, Y: 4}

func Any(value any) bool { return value != nil }

func Apply(f func(int) int, n int) int { return f(n) }

func main() {}
