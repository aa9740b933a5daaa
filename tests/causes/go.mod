// Programs that hang when they are asked to stop, each in one way. tests/causes.rs runs them.
module example.com/causes

go 1.25

// In vendor/ is a stand-in with the same stack, so that nothing must be fetched.
require golang.org/x/sync v0.0.0
