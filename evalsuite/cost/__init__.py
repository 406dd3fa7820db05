"""What pictures of a size cost: operations and memory, counted on the meta device, and seconds where a device is."""
