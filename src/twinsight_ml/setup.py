from setuptools import find_packages, setup

package_name = 'twinsight_ml'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    zip_safe=True,
    maintainer='TwinSight developers',
    maintainer_email='developers@twinsight.example',
    description=(
        'Aligned Arrow datasets, anomaly windows and fleet reports from stored robot data.'
    ),
    license='Apache-2.0',
    entry_points={
        'console_scripts': [],
    },
)
