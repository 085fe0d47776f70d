//! What the faults share: clients that write down what they asked and were answered, and
//! the collecting of everything else that a [`checker::History`] is made of.
