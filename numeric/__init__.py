"""Witness 2: what the dynamics does, measured (torch, NumPy, SciPy, python-flint). No SymPy, nothing from symbolic.

Every public name is listed in `_PUBLIC` and imported on first use (PEP 562), so that importing the package is cheap.
A name listed here never equals the name of a module of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numeric.activation_jets import activation_jet as activation_jet
    from numeric.activation_jets import one_sided_coefficients as one_sided_coefficients
    from numeric.activation_jets import pointwise_pair as pointwise_pair
    from numeric.activation_view import scalar_view as scalar_view
    from numeric.activations import Activation as Activation
    from numeric.activations import activation as activation
    from numeric.activations import activation_from_tree as activation_from_tree
    from numeric.activations import catalogue as catalogue
    from numeric.alignment import input_alignment as input_alignment
    from numeric.alignment import neighbour_alignment as neighbour_alignment
    from numeric.alignment import rank_one_fraction as rank_one_fraction
    from numeric.alignment import symmetric_projection as symmetric_projection
    from numeric.alignment import transverse_distance as transverse_distance
    from numeric.balanced_integral import CertifiedEscape as CertifiedEscape
    from numeric.balanced_integral import certified_escape as certified_escape
    from numeric.ball_activations import ball_activation as ball_activation
    from numeric.block_saddle import BlockNetwork as BlockNetwork
    from numeric.block_saddle import KickGrowth as KickGrowth
    from numeric.block_saddle import StageHessian as StageHessian
    from numeric.block_saddle import block_network as block_network
    from numeric.block_saddle import small_kick_growth as small_kick_growth
    from numeric.block_saddle import stage_hessian as stage_hessian
    from numeric.certified_readout import Enclosure as Enclosure
    from numeric.certified_readout import readout_force_difference as readout_force_difference
    from numeric.clock_descent import PassageTime as PassageTime
    from numeric.clock_descent import StepSample as StepSample
    from numeric.clock_descent import clock_steps as clock_steps
    from numeric.clock_descent import flow_steps as flow_steps
    from numeric.clock_descent import mean_passage as mean_passage
    from numeric.clock_descent import minibatch_steps as minibatch_steps
    from numeric.clock_descent import sampled_passage as sampled_passage
    from numeric.data import Population as Population
    from numeric.data import Teacher as Teacher
    from numeric.data import gauss_hermite as gauss_hermite
    from numeric.data import gaussian_batch as gaussian_batch
    from numeric.data import linear_population as linear_population
    from numeric.data import population as population
    from numeric.data import product_quadrature as product_quadrature
    from numeric.data import real_population as real_population
    from numeric.data import single_mode_population as single_mode_population
    from numeric.data import teacher as teacher
    from numeric.data import trapezoid as trapezoid
    from numeric.descent_steps import gradient_spread as gradient_spread
    from numeric.descent_steps import real_steps as real_steps
    from numeric.equivalence import EQUIVALENCE_BOUND as EQUIVALENCE_BOUND
    from numeric.equivalence import EquivalenceBound as EquivalenceBound
    from numeric.equivalence import PairedSlopes as PairedSlopes
    from numeric.equivalence import RatioInterval as RatioInterval
    from numeric.equivalence import calibrated_ratios as calibrated_ratios
    from numeric.equivalence import equivalence_bound as equivalence_bound
    from numeric.equivalence import paired_slopes as paired_slopes
    from numeric.equivalence import student_half_width as student_half_width
    from numeric.escape_enclosure import ValidatedEscape as ValidatedEscape
    from numeric.escape_enclosure import validated_escape as validated_escape
    from numeric.escape_rule import EscapeRule as EscapeRule
    from numeric.escape_rule import parse_escape_rule as parse_escape_rule
    from numeric.estimators import Limit as Limit
    from numeric.estimators import Slopes as Slopes
    from numeric.estimators import difference_slopes as difference_slopes
    from numeric.estimators import extrapolate_slopes as extrapolate_slopes
    from numeric.estimators import finite_scale_error as finite_scale_error
    from numeric.estimators import local_slopes as local_slopes
    from numeric.estimators import measured_order as measured_order
    from numeric.flow import FlowOptions as FlowOptions
    from numeric.flow import FlowResult as FlowResult
    from numeric.flow import gradient_flow as gradient_flow
    from numeric.hessian import dense_hessian as dense_hessian
    from numeric.hessian import directional_derivatives as directional_derivatives
    from numeric.hessian import flat_gradient as flat_gradient
    from numeric.hessian import hessian_product as hessian_product
    from numeric.hessian import network_loss as network_loss
    from numeric.high_precision import PreciseEscape as PreciseEscape
    from numeric.high_precision import precise_escape as precise_escape
    from numeric.imbalance import ImbalanceCase as ImbalanceCase
    from numeric.imbalance import ImbalanceTerms as ImbalanceTerms
    from numeric.imbalance import imbalance_terms as imbalance_terms
    from numeric.imbalance import random_case as random_case
    from numeric.imbalance import random_cases as random_cases
    from numeric.imbalance import weights_after_gd_step as weights_after_gd_step
    from numeric.imbalance_flow import ImbalanceFlow as ImbalanceFlow
    from numeric.imbalance_flow import gradient_time as gradient_time
    from numeric.imbalance_flow import imbalance_along_flow as imbalance_along_flow
    from numeric.imbalance_rate import ImbalanceRates as ImbalanceRates
    from numeric.imbalance_rate import manifold_imbalance_rates as manifold_imbalance_rates
    from numeric.inequality import FlowTime as FlowTime
    from numeric.inequality import inequality_escape_time as inequality_escape_time
    from numeric.inequality import inequality_escape_time_from_log as inequality_escape_time_from_log
    from numeric.lanczos import EigenPairs as EigenPairs
    from numeric.lanczos import PowerIteration as PowerIteration
    from numeric.lanczos import SpectrumCounts as SpectrumCounts
    from numeric.lanczos import count_eigenvalues as count_eigenvalues
    from numeric.lanczos import extreme_eigenvalues as extreme_eigenvalues
    from numeric.lanczos import power_iteration as power_iteration
    from numeric.leading_order import LeadingOrder as LeadingOrder
    from numeric.leading_order import LinearBottleneck as LinearBottleneck
    from numeric.leading_order import Stage as Stage
    from numeric.leading_order import bottleneck_net as bottleneck_net
    from numeric.leading_order import leading_order_at as leading_order_at
    from numeric.leading_order import stages_to_blow_up as stages_to_blow_up
    from numeric.losses import Loss as Loss
    from numeric.losses import loss as loss
    from numeric.losses import loss_names as loss_names
    from numeric.manifold import ManifoldModel as ManifoldModel
    from numeric.manifold_flow import ManifoldTrajectory as ManifoldTrajectory
    from numeric.manifold_flow import manifold_trajectory as manifold_trajectory
    from numeric.manifold_sweep import ManifoldEscape as ManifoldEscape
    from numeric.manifold_sweep import bottleneck_starts as bottleneck_starts
    from numeric.manifold_sweep import manifold_escape as manifold_escape
    from numeric.network import Network as Network
    from numeric.network import gradient as gradient
    from numeric.network import layer_norms as layer_norms
    from numeric.network import layer_scales as layer_scales
    from numeric.network import mean_loss as mean_loss
    from numeric.network import uniform_network as uniform_network
    from numeric.neuron_moments import Neurons as Neurons
    from numeric.neuron_moments import Sample as Sample
    from numeric.neuron_moments import mean_field_output as mean_field_output
    from numeric.neuron_moments import moment as moment
    from numeric.neuron_moments import moment_derivative as moment_derivative
    from numeric.neuron_moments import moment_indices as moment_indices
    from numeric.neuron_moments import moment_scale as moment_scale
    from numeric.neuron_moments import neuron_velocities as neuron_velocities
    from numeric.off_manifold import OffManifoldEscape as OffManifoldEscape
    from numeric.off_manifold import off_manifold_escape_times as off_manifold_escape_times
    from numeric.off_manifold import single_mode_batches as single_mode_batches
    from numeric.optimisers import Descent as Descent
    from numeric.optimisers import Optimiser as Optimiser
    from numeric.optimisers import descend as descend
    from numeric.optimisers import sgd as sgd
    from numeric.rational_neurons import MomentComparison as MomentComparison
    from numeric.rational_neurons import RationalNeurons as RationalNeurons
    from numeric.rational_neurons import RationalSample as RationalSample
    from numeric.rational_neurons import closed_orders as closed_orders
    from numeric.rational_neurons import compare_moments as compare_moments
    from numeric.rational_neurons import equal_power_sums as equal_power_sums
    from numeric.rational_neurons import rational_moment as rational_moment
    from numeric.rational_neurons import rational_moment_rate as rational_moment_rate
    from numeric.rational_neurons import rational_sample as rational_sample
    from numeric.rational_neurons import rational_velocities as rational_velocities
    from numeric.residual import ResidualEscape as ResidualEscape
    from numeric.residual import residual_escape as residual_escape
    from numeric.run_status import RunStatus as RunStatus
    from numeric.scalar_activations import ScalarActivation as ScalarActivation
    from numeric.scalar_activations import scalar_activation as scalar_activation
    from numeric.scope_networks import ScopeTerms as ScopeTerms
    from numeric.scope_networks import scope_terms as scope_terms
    from numeric.starts import ManifoldGradient as ManifoldGradient
    from numeric.starts import aligned_start as aligned_start
    from numeric.starts import he_start as he_start
    from numeric.starts import manifold_gradient as manifold_gradient
    from numeric.starts import manifold_start as manifold_start
    from numeric.taylor_fit import TaylorFit as TaylorFit
    from numeric.taylor_fit import fit_taylor as fit_taylor
    from numeric.universality import UniversalityMeasurement as UniversalityMeasurement
    from numeric.universality import measure_universality as measure_universality
    from numeric.universality import phi_coefficients as phi_coefficients

_PUBLIC: dict[str, str] = {
    "Activation": "activations",
    "BlockNetwork": "block_saddle",
    "CertifiedEscape": "balanced_integral",
    "Descent": "optimisers",
    "EQUIVALENCE_BOUND": "equivalence",
    "EigenPairs": "lanczos",
    "Enclosure": "certified_readout",
    "EquivalenceBound": "equivalence",
    "EscapeRule": "escape_rule",
    "FlowOptions": "flow",
    "FlowResult": "flow",
    "FlowTime": "inequality",
    "ImbalanceCase": "imbalance",
    "ImbalanceFlow": "imbalance_flow",
    "ImbalanceRates": "imbalance_rate",
    "ImbalanceTerms": "imbalance",
    "LeadingOrder": "leading_order",
    "KickGrowth": "block_saddle",
    "Limit": "estimators",
    "LinearBottleneck": "leading_order",
    "Loss": "losses",
    "ManifoldEscape": "manifold_sweep",
    "ManifoldGradient": "starts",
    "ManifoldModel": "manifold",
    "ManifoldTrajectory": "manifold_flow",
    "MomentComparison": "rational_neurons",
    "Network": "network",
    "Neurons": "neuron_moments",
    "OffManifoldEscape": "off_manifold",
    "Optimiser": "optimisers",
    "PairedSlopes": "equivalence",
    "PassageTime": "clock_descent",
    "Population": "data",
    "PowerIteration": "lanczos",
    "PreciseEscape": "high_precision",
    "RatioInterval": "equivalence",
    "RationalNeurons": "rational_neurons",
    "RationalSample": "rational_neurons",
    "ResidualEscape": "residual",
    "RunStatus": "run_status",
    "Sample": "neuron_moments",
    "ScalarActivation": "scalar_activations",
    "ScopeTerms": "scope_networks",
    "Slopes": "estimators",
    "SpectrumCounts": "lanczos",
    "Stage": "leading_order",
    "StepSample": "clock_descent",
    "StageHessian": "block_saddle",
    "TaylorFit": "taylor_fit",
    "Teacher": "data",
    "UniversalityMeasurement": "universality",
    "ValidatedEscape": "escape_enclosure",
    "activation": "activations",
    "activation_from_tree": "activations",
    "activation_jet": "activation_jets",
    "aligned_start": "starts",
    "ball_activation": "ball_activations",
    "block_network": "block_saddle",
    "bottleneck_net": "leading_order",
    "bottleneck_starts": "manifold_sweep",
    "calibrated_ratios": "equivalence",
    "catalogue": "activations",
    "certified_escape": "balanced_integral",
    "clock_steps": "clock_descent",
    "closed_orders": "rational_neurons",
    "compare_moments": "rational_neurons",
    "count_eigenvalues": "lanczos",
    "dense_hessian": "hessian",
    "descend": "optimisers",
    "difference_slopes": "estimators",
    "directional_derivatives": "hessian",
    "equal_power_sums": "rational_neurons",
    "equivalence_bound": "equivalence",
    "extrapolate_slopes": "estimators",
    "extreme_eigenvalues": "lanczos",
    "finite_scale_error": "estimators",
    "fit_taylor": "taylor_fit",
    "flat_gradient": "hessian",
    "flow_steps": "clock_descent",
    "gauss_hermite": "data",
    "gaussian_batch": "data",
    "gradient": "network",
    "gradient_flow": "flow",
    "gradient_spread": "descent_steps",
    "gradient_time": "imbalance_flow",
    "he_start": "starts",
    "hessian_product": "hessian",
    "imbalance_along_flow": "imbalance_flow",
    "imbalance_terms": "imbalance",
    "inequality_escape_time": "inequality",
    "inequality_escape_time_from_log": "inequality",
    "input_alignment": "alignment",
    "layer_norms": "network",
    "layer_scales": "network",
    "leading_order_at": "leading_order",
    "linear_population": "data",
    "local_slopes": "estimators",
    "loss": "losses",
    "loss_names": "losses",
    "manifold_escape": "manifold_sweep",
    "manifold_gradient": "starts",
    "manifold_imbalance_rates": "imbalance_rate",
    "manifold_start": "starts",
    "manifold_trajectory": "manifold_flow",
    "mean_field_output": "neuron_moments",
    "mean_loss": "network",
    "mean_passage": "clock_descent",
    "measure_universality": "universality",
    "measured_order": "estimators",
    "minibatch_steps": "clock_descent",
    "moment": "neuron_moments",
    "moment_derivative": "neuron_moments",
    "moment_indices": "neuron_moments",
    "moment_scale": "neuron_moments",
    "neighbour_alignment": "alignment",
    "network_loss": "hessian",
    "neuron_velocities": "neuron_moments",
    "off_manifold_escape_times": "off_manifold",
    "one_sided_coefficients": "activation_jets",
    "paired_slopes": "equivalence",
    "parse_escape_rule": "escape_rule",
    "phi_coefficients": "universality",
    "pointwise_pair": "activation_jets",
    "population": "data",
    "power_iteration": "lanczos",
    "precise_escape": "high_precision",
    "product_quadrature": "data",
    "random_case": "imbalance",
    "random_cases": "imbalance",
    "rank_one_fraction": "alignment",
    "rational_moment": "rational_neurons",
    "rational_moment_rate": "rational_neurons",
    "rational_sample": "rational_neurons",
    "rational_velocities": "rational_neurons",
    "readout_force_difference": "certified_readout",
    "real_population": "data",
    "real_steps": "descent_steps",
    "residual_escape": "residual",
    "sampled_passage": "clock_descent",
    "scalar_activation": "scalar_activations",
    "scalar_view": "activation_view",
    "scope_terms": "scope_networks",
    "sgd": "optimisers",
    "single_mode_batches": "off_manifold",
    "single_mode_population": "data",
    "small_kick_growth": "block_saddle",
    "stage_hessian": "block_saddle",
    "stages_to_blow_up": "leading_order",
    "student_half_width": "equivalence",
    "symmetric_projection": "alignment",
    "teacher": "data",
    "transverse_distance": "alignment",
    "trapezoid": "data",
    "uniform_network": "network",
    "validated_escape": "escape_enclosure",
    "weights_after_gd_step": "imbalance",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"numeric has no public name {name!r}")
    return getattr(import_module(f"numeric.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
