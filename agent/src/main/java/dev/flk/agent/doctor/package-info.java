// SPDX-License-Identifier: Apache-2.0
/**
 * The checks for problems that may prevent an agent from working: configuration, key, files, disk, backends. The checks
 * change no data on this machine, except that a check may write the name of this process into a lock file that no
 * process holds. The checks change no data at a backend, which gets only read requests and at most one certificate that
 * it rejects.
 */
@NullMarked
package dev.flk.agent.doctor;

import org.jspecify.annotations.NullMarked;
