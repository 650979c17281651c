// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** While a class with this runs, no other of this module does, in whatever JVM: it compares what a machine can do. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@interface Alone {}
