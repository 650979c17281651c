/**
 * The checks for problems that may prevent an agent from working: configuration, key, files, disk, backends. They
 * change nothing; a backend only sees rejected requests.
 */
@NullMarked
package dev.flk.agent.doctor;

import org.jspecify.annotations.NullMarked;
