//! An upscaler on a thread of its own: pictures go in at any time, and what comes out is a future that any executor can wait
//! for. There is no runtime here: a future is woken by the thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use super::{Upscaled, Upscaler};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::pixels::Pixels;

/// An upscaler that works while its owner does something else. Pictures are enlarged in the order in which they came. When
/// it is dropped, those that somebody waits for are still done.
#[derive(Debug)]
pub struct Background {
    jobs: Sender<Job>,
}

/// A picture that is being enlarged, or waits for its turn. Dropped before it is done, it is cancelled.
#[derive(Debug)]
pub struct Enlarging {
    control: Control,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Debug)]
struct Job {
    picture: Pixels,
    control: Control,
    answer: Answered,
}

#[derive(Debug, Default)]
struct Answer {
    /// Whether there has been a result.
    given: bool,
    result: Option<Result<Upscaled>>,
    waker: Option<Waker>,
}

/// The thread's end of an answer. However the thread ends, there is one.
#[derive(Debug)]
struct Answered(Arc<Mutex<Answer>>);

impl Background {
    /// Moves the upscaler to a thread of its own.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the system starts no thread.
    pub fn new(upscaler: Upscaler) -> Result<Self> {
        let (jobs, to_do) = channel();
        let work = move || work(upscaler, &to_do);
        match thread::Builder::new().name("sparsr".into()).spawn(work) {
            Ok(_) => Ok(Self { jobs }),
            Err(error) => {
                Err(Error::OutOfMemory(format!("no thread could be started: {error}; close other programs")))
            }
        }
    }

    /// Begins with a picture, or lines it up. Does not wait.
    pub fn upscale(&self, picture: Pixels) -> Enlarging {
        let (control, answer) = <(Control, Arc<Mutex<Answer>>)>::default();
        let job = Job { picture, control: control.clone(), answer: Answered(answer.clone()) };
        // If the thread is gone, the job comes back and is dropped: that is an answer as well.
        drop(self.jobs.send(job));
        Enlarging { control, answer }
    }
}

fn work(mut upscaler: Upscaler, jobs: &Receiver<Job>) {
    for Job { picture, control, answer } in jobs {
        upscaler.set_control(&control);
        let result = control.cancel.check().and_then(|()| upscaler.upscale_pixels(&picture));
        answer.give(result);
    }
}

impl Enlarging {
    /// Ends it, and tells how far it is.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Future for Enlarging {
    /// As of [`Upscaler::upscale_pixels`].
    type Output = Result<Upscaled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = locked(&self.answer);
        match answer.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                answer.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Enlarging {
    fn drop(&mut self) {
        self.control.cancel.cancel();
    }
}

impl Answered {
    fn give(&self, result: Result<Upscaled>) {
        let mut answer = locked(&self.0);
        if !std::mem::replace(&mut answer.given, true) {
            answer.result = Some(result);
        }
        if let Some(waker) = answer.waker.take() {
            drop(answer);
            waker.wake();
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.give(Err(Error::Device(
            "the thread that enlarges pictures ended: make another upscaler".into(),
        )));
    }
}

fn locked(answer: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}
