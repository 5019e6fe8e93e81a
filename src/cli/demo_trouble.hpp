/// The part of the demo in which the vendor has a bad day.
#pragma once

namespace streamkeeper::demo {

class Stage;
class Voice;

/// A step for each thing that goes wrong: what a tool alone gets, and what it gets through streamkeeper. Throws
/// Failure.
void show_troubles(const Stage&, Voice&);

}  // namespace streamkeeper::demo
