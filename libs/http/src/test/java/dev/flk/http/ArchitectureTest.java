// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** Tests of the libraries and modules on which this module may depend. */
class ArchitectureTest {
    @Test
    void module_dependsOnlyOnListedPackages() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "java..",
                        "javax.net.ssl..",
                        "org.jspecify..",
                        "org.slf4j..",
                        "com.fasterxml.jackson.core..",
                        "io.netty..",
                        "dev.flk.program..",
                        "dev.flk.http..")
                .check(new ClassFileImporter()
                        .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                        .importPackages("dev.flk.http"));
    }
}
