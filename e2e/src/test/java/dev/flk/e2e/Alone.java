// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A mark for a test class that must run while no other class of this module runs, in any JVM, because it measures
 * throughput.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@interface Alone {}
