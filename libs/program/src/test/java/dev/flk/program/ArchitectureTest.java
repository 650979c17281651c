// SPDX-License-Identifier: Apache-2.0
package dev.flk.program;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.GeneralCodingRules;
import dev.flk.program.cli.InertWriter;
import dev.flk.program.cli.StandardOutput;
import dev.flk.program.logging.LogOutput;
import java.io.FileDescriptor;
import org.junit.jupiter.api.Test;

/** Tests of the libraries and modules on which this module may depend, and of the dependencies between its packages. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.flk.program");

    @Test
    void module_dependsOnlyOnListedPackages() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "java..",
                        "javax.management..",
                        "com.sun.management..",
                        "javax.net.ssl..",
                        "jdk.jfr..",
                        "org.jspecify..",
                        "com.fasterxml.jackson..",
                        "ch.qos.logback..",
                        "io.github.resilience4j..",
                        "net.logstash..",
                        "io.prometheus..",
                        "org.slf4j..",
                        "picocli..",
                        "dev.flk.program..")
                .check(CLASSES);
    }

    @Test
    void packages_haveNoCycles() {
        slices().matching("dev.flk.program.(*)..").should().beFreeOfCycles().check(CLASSES);
    }

    /** Checks that commands print to an {@link InertWriter}, on which no text can control a terminal. */
    @Test
    void nothingElse_writesToStandardStreams() {
        noClasses()
                .that()
                .doNotBelongToAnyOf(StandardOutput.class, LogOutput.class)
                .should(GeneralCodingRules.ACCESS_STANDARD_STREAMS)
                .orShould()
                .dependOnClassesThat()
                .belongToAnyOf(FileDescriptor.class)
                .check(CLASSES);
    }
}
