/// The part of the demo in which answers break off in the middle.
#pragma once

namespace streamkeeper::demo {

class Stage;
class Voice;

/// A step for each kind of answer that breaks: what a tool alone gets, what it gets through streamkeeper, and both
/// sides of the seam. Throws Failure.
void show_breaks(const Stage&, Voice&);

}  // namespace streamkeeper::demo
