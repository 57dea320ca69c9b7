"""Witness 1: exact mathematics of saddle escape (SymPy in front, FLINT underneath). No torch, no simulation.

Every public name is listed in `_PUBLIC` and imported on first use (PEP 562), so that importing the package is cheap.
A name listed here never equals the name of a module of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symbolic.activations import Activation as Activation
    from symbolic.activations import activation as activation
    from symbolic.activations import activation_from_tree as activation_from_tree
    from symbolic.activations import catalogue as catalogue
    from symbolic.balance import BalanceLaw as BalanceLaw
    from symbolic.balance import balance_identity as balance_identity
    from symbolic.balance import balance_laws as balance_laws
    from symbolic.block_ansatz import growth_rates as growth_rates
    from symbolic.block_ansatz import loop_gain as loop_gain
    from symbolic.block_ansatz import off_block_force as off_block_force
    from symbolic.block_ansatz import pair_decoupling as pair_decoupling
    from symbolic.block_ansatz import pair_hessian as pair_hessian
    from symbolic.block_ansatz import stage_is_critical as stage_is_critical
    from symbolic.block_ansatz import vector_output_invariance as vector_output_invariance
    from symbolic.block_constants import StagePair as StagePair
    from symbolic.block_constants import slope_of as slope_of
    from symbolic.block_constants import stage_pair as stage_pair
    from symbolic.certified_values import certified_value as certified_value
    from symbolic.certified_values import network_constants as network_constants
    from symbolic.classes import Classification as Classification
    from symbolic.classes import classify as classify
    from symbolic.closure import Data as Data
    from symbolic.closure import Ensemble as Ensemble
    from symbolic.closure import ExactActivation as ExactActivation
    from symbolic.closure import ensemble as ensemble
    from symbolic.closure import gaussian_grid as gaussian_grid
    from symbolic.closure import polynomial_activation as polynomial_activation
    from symbolic.closure import relu_activation as relu_activation
    from symbolic.closure import teacher_data as teacher_data
    from symbolic.closure_algebra import ClosureCheck as ClosureCheck
    from symbolic.closure_algebra import closure_check as closure_check
    from symbolic.closure_algebra import linear_closure as linear_closure
    from symbolic.closure_algebra import monomial_conservation as monomial_conservation
    from symbolic.closure_balls import BallCertificate as BallCertificate
    from symbolic.closure_balls import erf_certificate as erf_certificate
    from symbolic.closure_certificates import Certificate as Certificate
    from symbolic.closure_certificates import binomial_certificate as binomial_certificate
    from symbolic.closure_certificates import binomial_difference as binomial_difference
    from symbolic.closure_certificates import certificate as certificate
    from symbolic.closure_certificates import finite_difference_certificate as finite_difference_certificate
    from symbolic.closure_certificates import prouhet_certificate as prouhet_certificate
    from symbolic.closure_certificates import prouhet_difference as prouhet_difference
    from symbolic.closure_certificates import prouhet_tarry_escott as prouhet_tarry_escott
    from symbolic.closure_certificates import width_certificate as width_certificate
    from symbolic.correction import EscapeExpansion as EscapeExpansion
    from symbolic.correction import ExpansionTerm as ExpansionTerm
    from symbolic.correction import Origin as Origin
    from symbolic.correction import collapse_deviation as collapse_deviation
    from symbolic.correction import escape_expansion as escape_expansion
    from symbolic.dimension_free import imbalance_identity_any_width as imbalance_identity_any_width
    from symbolic.escape import EscapeLaw as EscapeLaw
    from symbolic.escape import Regime as Regime
    from symbolic.escape import escape_exponent as escape_exponent
    from symbolic.escape import escape_integral as escape_integral
    from symbolic.escape import escape_law as escape_law
    from symbolic.imbalance import gradient_step_identity as gradient_step_identity
    from symbolic.imbalance import imbalance_identities as imbalance_identities
    from symbolic.imbalance import imbalance_identity as imbalance_identity
    from symbolic.imbalance import matrix_identity as matrix_identity
    from symbolic.imbalance import neuron_identity as neuron_identity
    from symbolic.imbalance_scope import homogeneous_matrix_entry as homogeneous_matrix_entry
    from symbolic.imbalance_scope import scope_identity as scope_identity
    from symbolic.imbalance_scope import scope_parts as scope_parts
    from symbolic.inequality import InequalityEscape as InequalityEscape
    from symbolic.inequality import energy_inequality as energy_inequality
    from symbolic.inequality import inequality_escape as inequality_escape
    from symbolic.inequality import overlap_inequality as overlap_inequality
    from symbolic.inequality import printed_inequality as printed_inequality
    from symbolic.jets import certified_jet as certified_jet
    from symbolic.linear_escape import logarithm_constant as logarithm_constant
    from symbolic.linear_escape import logistic_residual as logistic_residual
    from symbolic.manifold import ReducedSystem as ReducedSystem
    from symbolic.manifold import RowGradient as RowGradient
    from symbolic.manifold import identical_rows_gradient as identical_rows_gradient
    from symbolic.manifold import manifold_tangency as manifold_tangency
    from symbolic.manifold import network_tangency as network_tangency
    from symbolic.manifold import reduced_system as reduced_system
    from symbolic.manifold import restricted_loss as restricted_loss
    from symbolic.manifold_any_width import manifold_tangency_any_width as manifold_tangency_any_width
    from symbolic.misaligned import MisalignedEscape as MisalignedEscape
    from symbolic.misaligned import misaligned_escape as misaligned_escape
    from symbolic.moments import Chain as Chain
    from symbolic.moments import Constant as Constant
    from symbolic.moments import gaussian_expectation as gaussian_expectation
    from symbolic.moments import hermite as hermite
    from symbolic.moments import moment as moment
    from symbolic.optimisers import NoiseLaw as NoiseLaw
    from symbolic.optimisers import NoisyEscape as NoisyEscape
    from symbolic.optimisers import StepLaw as StepLaw
    from symbolic.optimisers import adam_crossover as adam_crossover
    from symbolic.optimisers import adam_memory as adam_memory
    from symbolic.optimisers import adam_steps as adam_steps
    from symbolic.optimisers import gradient_descent_steps as gradient_descent_steps
    from symbolic.optimisers import heavy_ball_steps as heavy_ball_steps
    from symbolic.optimisers import modified_equation as modified_equation
    from symbolic.optimisers import noise_escape_time as noise_escape_time
    from symbolic.optimisers import noise_floor as noise_floor
    from symbolic.optimisers import sgd_steps as sgd_steps
    from symbolic.optimisers import sign_descent_steps as sign_descent_steps
    from symbolic.plateau import plateau_hessian as plateau_hessian
    from symbolic.plateau import plateau_spectrum as plateau_spectrum
    from symbolic.polynomial_form import IdentitySides as IdentitySides
    from symbolic.prediction import EscapePrediction as EscapePrediction
    from symbolic.prediction import PredictedTerm as PredictedTerm
    from symbolic.prediction import predict_escape as predict_escape
    from symbolic.prefactors import prefactor as prefactor
    from symbolic.prefactors import prefactor_as_printed as prefactor_as_printed
    from symbolic.rate import EffectiveRate as EffectiveRate
    from symbolic.rate import bottleneck as bottleneck
    from symbolic.rate import effective_rate as effective_rate
    from symbolic.reduced_gains import ReducedGains as ReducedGains
    from symbolic.reduced_gains import general_gains as general_gains
    from symbolic.reduced_gains import named_gains as named_gains
    from symbolic.reduced_gains import ntk_gains as ntk_gains
    from symbolic.reduced_gains import plain_gains as plain_gains
    from symbolic.saddle_hessian import FirstDerivative as FirstDerivative
    from symbolic.saddle_hessian import first_nonzero_derivative as first_nonzero_derivative
    from symbolic.saddle_hessian import manifold_hessian as manifold_hessian
    from symbolic.saddle_hessian import origin_hessian as origin_hessian
    from symbolic.saddle_hessian import origin_spectrum as origin_spectrum
    from symbolic.saddle_sides import origin_identity as origin_identity
    from symbolic.saddle_sides import saddle_identity as saddle_identity
    from symbolic.sample_mean import Sample as Sample
    from symbolic.sample_mean import SampleAlignment as SampleAlignment
    from symbolic.sample_mean import SampleTeacher as SampleTeacher
    from symbolic.sample_mean import sample_alignment as sample_alignment
    from symbolic.sample_mean import sample_alignment_by_stein as sample_alignment_by_stein
    from symbolic.series import one_sided_taylor as one_sided_taylor
    from symbolic.series import phi_taylor as phi_taylor
    from symbolic.series import taylor as taylor
    from symbolic.teacher_alignment import Alignment as Alignment
    from symbolic.teacher_alignment import Mode as Mode
    from symbolic.teacher_alignment import alignment as alignment
    from symbolic.teacher_alignment import alignment_as_printed as alignment_as_printed
    from symbolic.theorem_a import TheoremAInstance as TheoremAInstance
    from symbolic.theorem_a import equality_case as equality_case
    from symbolic.theorem_a import gradient_scaling as gradient_scaling
    from symbolic.theorem_a import overlap_identity as overlap_identity
    from symbolic.theorem_a import theorem_a_instance as theorem_a_instance
    from symbolic.threshold import ThresholdTime as ThresholdTime
    from symbolic.threshold import threshold_time as threshold_time
    from symbolic.unequal_start import carlson_time as carlson_time
    from symbolic.unequal_start import unequal_correction as unequal_correction
    from symbolic.unequal_start import unequal_escape_time as unequal_escape_time
    from symbolic.unequal_start import unequal_escape_until as unequal_escape_until
    from symbolic.unequal_start import unequal_start_residuals as unequal_start_residuals

_PUBLIC = {
    "Activation": "activations",
    "activation": "activations",
    "activation_from_tree": "activations",
    "catalogue": "activations",
    "BalanceLaw": "balance",
    "balance_identity": "balance",
    "balance_laws": "balance",
    "growth_rates": "block_ansatz",
    "loop_gain": "block_ansatz",
    "off_block_force": "block_ansatz",
    "pair_decoupling": "block_ansatz",
    "pair_hessian": "block_ansatz",
    "stage_is_critical": "block_ansatz",
    "vector_output_invariance": "block_ansatz",
    "StagePair": "block_constants",
    "slope_of": "block_constants",
    "stage_pair": "block_constants",
    "certified_value": "certified_values",
    "network_constants": "certified_values",
    "Classification": "classes",
    "classify": "classes",
    "Data": "closure",
    "Ensemble": "closure",
    "ExactActivation": "closure",
    "ensemble": "closure",
    "gaussian_grid": "closure",
    "polynomial_activation": "closure",
    "relu_activation": "closure",
    "teacher_data": "closure",
    "ClosureCheck": "closure_algebra",
    "closure_check": "closure_algebra",
    "linear_closure": "closure_algebra",
    "monomial_conservation": "closure_algebra",
    "BallCertificate": "closure_balls",
    "erf_certificate": "closure_balls",
    "Certificate": "closure_certificates",
    "binomial_certificate": "closure_certificates",
    "binomial_difference": "closure_certificates",
    "certificate": "closure_certificates",
    "finite_difference_certificate": "closure_certificates",
    "prouhet_certificate": "closure_certificates",
    "prouhet_difference": "closure_certificates",
    "prouhet_tarry_escott": "closure_certificates",
    "width_certificate": "closure_certificates",
    "EscapeExpansion": "correction",
    "ExpansionTerm": "correction",
    "Origin": "correction",
    "collapse_deviation": "correction",
    "escape_expansion": "correction",
    "imbalance_identity_any_width": "dimension_free",
    "EscapeLaw": "escape",
    "Regime": "escape",
    "escape_exponent": "escape",
    "escape_integral": "escape",
    "escape_law": "escape",
    "gradient_step_identity": "imbalance",
    "imbalance_identities": "imbalance",
    "imbalance_identity": "imbalance",
    "matrix_identity": "imbalance",
    "neuron_identity": "imbalance",
    "homogeneous_matrix_entry": "imbalance_scope",
    "scope_identity": "imbalance_scope",
    "scope_parts": "imbalance_scope",
    "InequalityEscape": "inequality",
    "energy_inequality": "inequality",
    "inequality_escape": "inequality",
    "overlap_inequality": "inequality",
    "printed_inequality": "inequality",
    "logarithm_constant": "linear_escape",
    "logistic_residual": "linear_escape",
    "certified_jet": "jets",
    "ReducedSystem": "manifold",
    "RowGradient": "manifold",
    "identical_rows_gradient": "manifold",
    "manifold_tangency": "manifold",
    "network_tangency": "manifold",
    "reduced_system": "manifold",
    "restricted_loss": "manifold",
    "manifold_tangency_any_width": "manifold_any_width",
    "MisalignedEscape": "misaligned",
    "misaligned_escape": "misaligned",
    "Chain": "moments",
    "Constant": "moments",
    "gaussian_expectation": "moments",
    "hermite": "moments",
    "moment": "moments",
    "NoiseLaw": "optimisers",
    "NoisyEscape": "optimisers",
    "StepLaw": "optimisers",
    "adam_crossover": "optimisers",
    "adam_memory": "optimisers",
    "adam_steps": "optimisers",
    "gradient_descent_steps": "optimisers",
    "heavy_ball_steps": "optimisers",
    "modified_equation": "optimisers",
    "noise_escape_time": "optimisers",
    "noise_floor": "optimisers",
    "sgd_steps": "optimisers",
    "sign_descent_steps": "optimisers",
    "IdentitySides": "polynomial_form",
    "EscapePrediction": "prediction",
    "PredictedTerm": "prediction",
    "predict_escape": "prediction",
    "prefactor": "prefactors",
    "prefactor_as_printed": "prefactors",
    "EffectiveRate": "rate",
    "bottleneck": "rate",
    "effective_rate": "rate",
    "ReducedGains": "reduced_gains",
    "general_gains": "reduced_gains",
    "named_gains": "reduced_gains",
    "ntk_gains": "reduced_gains",
    "plain_gains": "reduced_gains",
    "FirstDerivative": "saddle_hessian",
    "first_nonzero_derivative": "saddle_hessian",
    "manifold_hessian": "saddle_hessian",
    "origin_hessian": "saddle_hessian",
    "origin_spectrum": "saddle_hessian",
    "origin_identity": "saddle_sides",
    "saddle_identity": "saddle_sides",
    "Sample": "sample_mean",
    "SampleAlignment": "sample_mean",
    "SampleTeacher": "sample_mean",
    "sample_alignment": "sample_mean",
    "sample_alignment_by_stein": "sample_mean",
    "one_sided_taylor": "series",
    "phi_taylor": "series",
    "taylor": "series",
    "TheoremAInstance": "theorem_a",
    "equality_case": "theorem_a",
    "gradient_scaling": "theorem_a",
    "overlap_identity": "theorem_a",
    "theorem_a_instance": "theorem_a",
    "ThresholdTime": "threshold",
    "threshold_time": "threshold",
    "carlson_time": "unequal_start",
    "unequal_correction": "unequal_start",
    "unequal_escape_time": "unequal_start",
    "unequal_escape_until": "unequal_start",
    "unequal_start_residuals": "unequal_start",
    "plateau_hessian": "plateau",
    "plateau_spectrum": "plateau",
    "Alignment": "teacher_alignment",
    "Mode": "teacher_alignment",
    "alignment": "teacher_alignment",
    "alignment_as_printed": "teacher_alignment",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'symbolic' has no attribute {name!r}")
    return getattr(import_module(f"symbolic.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
