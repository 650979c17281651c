/**
 * The checks for problems that may prevent an agent from working: configuration, key, files, disk, backends. They
 * change nothing, neither here nor at a backend: it only gets requests that read, and one certificate that it rejects.
 */
@NullMarked
package dev.flk.agent.doctor;

import org.jspecify.annotations.NullMarked;
