// SPDX-License-Identifier: Apache-2.0
package dev.flk.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The dependencies that are forbidden to this module, and the direction of dependencies between its packages. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.flk");

    private static final Set<String> CLOCK_METHODS = Set.of("now", "currentTimeMillis", "nanoTime");

    /** The functions of {@link Math} whose results may differ between platforms, and the square root. */
    private static final Set<String> INEXACT = Set.of(
            "acos", "asin", "atan", "atan2", "cbrt", "cos", "cosh", "exp", "expm1", "hypot", "log", "log10", "log1p",
            "pow", "sin", "sinh", "sqrt", "tan", "tanh");

    @Test
    void packages_dependInOneDirection() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("canonical")
                .definedBy("dev.flk.canonical..")
                .layer("certificate")
                .definedBy("dev.flk.certificate..")
                .layer("signing")
                .definedBy("dev.flk.signing..")
                .layer("verification")
                .definedBy("dev.flk.verification..")
                .layer("diagnosis")
                .definedBy("dev.flk.diagnosis..")
                .whereLayer("canonical")
                .mayNotAccessAnyLayer()
                .whereLayer("certificate")
                .mayOnlyAccessLayers("canonical")
                .whereLayer("signing")
                .mayOnlyAccessLayers("canonical")
                .whereLayer("verification")
                .mayOnlyAccessLayers("canonical", "certificate")
                .whereLayer("diagnosis")
                .mayOnlyAccessLayers("canonical", "certificate", "signing")
                .check(CLASSES);
        slices().matching("dev.flk.(*)..").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void signing_doesNotKnowMessages() {
        noClasses()
                .that()
                .resideInAPackage("dev.flk.signing")
                .should()
                .dependOnClassesThat(resideInAnyPackage("dev.flk.signing.message.."))
                .check(CLASSES);
    }

    @Test
    void nothing_readsWritesOrLogs() {
        noClasses()
                .should()
                .dependOnClassesThat(resideInAnyPackage(
                                "java.io..",
                                "java.nio.file..",
                                "java.nio.channels..",
                                "java.net..",
                                "java.util.logging..",
                                "java.lang.System.Logger",
                                "org.slf4j..",
                                "java.sql..")
                        // Jackson declares IOException even for reading from memory, and JacksonText wraps it.
                        .and(describe(
                                "but what parsing throws",
                                not -> !type(IOException.class).test(not)
                                        && !type(UncheckedIOException.class).test(not))))
                .check(CLASSES);
    }

    @Test
    void nothing_startsThreads() {
        noClasses()
                .should()
                .dependOnClassesThat(resideInAnyPackage("java.util.concurrent..")
                        .or(type(Thread.class))
                        .or(type(ThreadLocal.class)))
                .check(CLASSES);
    }

    @Test
    void nothing_usesAClockOrTheEnvironment() {
        noClasses()
                .should()
                .callMethodWhere(describe(
                        "a clock is read",
                        call -> CLOCK_METHODS.contains(call.getTarget().getName())))
                .orShould()
                .dependOnClassesThat(type(java.time.Clock.class))
                .orShould()
                .callMethodWhere(describe("the environment is read", call -> isSystem(call.getTarget())))
                .check(CLASSES);
    }

    @Test
    void platformDependentMathFunctions_areNotCalled() {
        noClasses()
                .should()
                .callMethodWhere(describe(
                        "a function of Math that platforms may compute differently",
                        call -> call.getTarget().getOwner().isEquivalentTo(Math.class)
                                && INEXACT.contains(call.getTarget().getName())))
                .check(CLASSES);
    }

    private static boolean isSystem(AccessTarget.MethodCallTarget target) {
        return target.getOwner().isEquivalentTo(System.class)
                && Set.of("getenv", "getProperty", "exit").contains(target.getName());
    }
}
