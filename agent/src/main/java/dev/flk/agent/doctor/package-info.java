/**
 * The checks for problems that may prevent an agent from working: configuration, key, files, disk, backends. The checks
 * change no data, neither on this machine nor at a backend. A backend gets only read requests, and one certificate that
 * it rejects.
 */
@NullMarked
package dev.flk.agent.doctor;

import org.jspecify.annotations.NullMarked;
