// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A marker for a test class that needs the machine to itself and therefore must not run concurrently with any other
 * test class of this module, in any JVM.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@interface Alone {}
