/**
 * Looks for what may keep an agent from doing its work: configuration, key, files, disk, backends. Changes nothing, and leaves nothing
 * with a backend but a refused request.
 */
@NullMarked
package dev.flk.agent.doctor;

import org.jspecify.annotations.NullMarked;
