//! Graphs of training, by the kernels.

use sparsr::low_level::gpu::Pool;
use sparsr::low_level::graph::{Graph, Parameters};
use sparsr::low_level::plan::{Algorithm, Array, Ends, Options, Places, Plan, Port};
use sparsr::low_level::tensor::{Tensor, pack, unpack};
use sparsr::{Error, Gpu};

/// All outputs of a graph that need not be folded, of poisoned memory and twice, the same bits both times. `inputs` are the
/// picture and what is given.
pub fn run(
    gpu: &Gpu,
    graph: &Graph,
    parameters: &Parameters,
    inputs: &[&Tensor],
    algorithm: Algorithm,
) -> Result<Vec<Tensor>, Error> {
    let options = Options { algorithm, ..Options::default() };
    let places = Places::of(parameters);
    let plan = Plan::training(graph, &places, Ends::Read, &options, gpu.limits())?;
    let mut pool = Pool::new(gpu, parameters);
    let mut session = pool.session(&plan)?;
    let numbers: Vec<_> = parameters.iter().map(|(_, numbers)| numbers).collect();
    pool.write(Array::Parameters, &places.pack(numbers.iter().map(|numbers| numbers.values())))?;
    let inputs: Vec<Vec<f32>> = inputs.iter().map(|input| pack(input)).collect();
    let picture = plan.picture.map(|_| bytemuck::cast_slice(&inputs[0]));
    let given: Vec<&[f32]> = inputs[1..].iter().map(Vec::as_slice).collect();
    let mut run = || {
        session.poison();
        session.submit(picture, &given)?;
        session.collect()
    };
    let outputs = run()?;
    assert_eq!(outputs, run()?, "the same bits twice");
    let tensor = |(port, words): (&Port, &Vec<u32>)| unpack(port.shape, bytemuck::cast_slice(words));
    Ok(plan.outputs().zip(&outputs).map(tensor).collect())
}
