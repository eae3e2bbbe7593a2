//! Engines around another: what a test does not change of it is said in a word.

#![allow(unused_macros, unused_imports, reason = "few test files have engines of their own")]

/// Methods of [`Engine`](sparsr::low_level::job::engine::Engine) that are those of the field `engine`.
macro_rules! forward {
    ($($method:ident)*) => { $($crate::support::engine::forward!(@ $method);)* };
    (@ begin) => {
        fn begin(&mut self, parameters: &sparsr::low_level::graph::Parameters) {
            self.engine.begin(parameters);
        }
    };
    (@ set_parameters) => {
        fn set_parameters(&mut self, parameters: &sparsr::low_level::graph::Parameters) -> sparsr::Result<()> {
            self.engine.set_parameters(parameters)
        }
    };
    (@ footprint) => {
        fn footprint(
            &mut self,
            phase: &sparsr::low_level::plan::Phase,
            depth: sparsr::Depth,
        ) -> sparsr::Result<u64> {
            self.engine.footprint(phase, depth)
        }
    };
    (@ prepare) => {
        fn prepare(
            &mut self,
            phase: &std::sync::Arc<sparsr::low_level::plan::Phase>,
            depth: sparsr::Depth,
        ) -> sparsr::Result<()> {
            self.engine.prepare(phase, depth)
        }
    };
    (@ is_ready) => {
        fn is_ready(&self) -> bool {
            self.engine.is_ready()
        }
    };
    (@ submit) => {
        fn submit(
            &mut self,
            window: sparsr::low_level::job::engine::Window,
            cancel: &sparsr::Cancel,
        ) -> sparsr::Result<()> {
            self.engine.submit(window, cancel)
        }
    };
    (@ collect) => {
        fn collect(
            &mut self,
            cancel: &sparsr::Cancel,
        ) -> sparsr::Result<sparsr::low_level::job::engine::Made> {
            self.engine.collect(cancel)
        }
    };
}

pub(crate) use forward;
