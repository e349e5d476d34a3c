//! Model libraries, from the bytes of a file to the static archive, held against LLVM's own tools
//! and against libraries that real TVM compiled (`tests/data/libraries`).

#[cfg(test)]
mod archive;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod llvm;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod real;
#[cfg(test)]
mod validation;
